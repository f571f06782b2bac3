/** What is wrong with the words of a command line, in the words of this program. */
// By class and not by the class's name: a build gives the classes other names.
import {
  AliasNotFoundError,
  ArgumentParseError,
  EnumValidationError,
  FlagNotFoundError,
  UnexpectedFlagError,
  UnexpectedPositionalError,
  UnsatisfiedFlagError,
  UnsatisfiedPositionalError,
} from "@stricli/core";

/** One sentence, without its end. */
export function unreadable(error: unknown): string {
  if (error instanceof FlagNotFoundError) {
    const [meant] = error.corrections;
    return `there is no --${error.input}${meant === undefined ? "" : `; did you mean --${meant}?`}`;
  }
  if (error instanceof AliasNotFoundError) return `there is no -${error.input}`;
  if (error instanceof ArgumentParseError)
    return `${error.externalFlagNameOrPlaceholder}: ${messageOf(error.exception)}`;
  if (error instanceof EnumValidationError)
    return `--${error.externalFlagName}: "${error.input}" is none of ${error.values.join(", ")}`;
  if (error instanceof UnsatisfiedFlagError) return `--${error.externalFlagName} wants a value`;
  if (error instanceof UnexpectedFlagError)
    return `--${error.externalFlagName} is given twice: "${error.previousInput}", and "${error.input}"`;
  if (error instanceof UnexpectedPositionalError) return `"${error.input}" is a word too many`;
  if (error instanceof UnsatisfiedPositionalError) return `${error.placeholder} is missing`;
  return messageOf(error);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
