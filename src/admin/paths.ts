/** Places of this site, as they come back from forms and addresses. */
// A place that leads elsewhere would make our sign-in a signpost for others: it becomes the front page.

/** A path of ours, with its query; else "/". */
export function localPath(text: string | undefined): string {
  return text !== undefined && /^\/(?![/\\])[^\\\0-\x20\x7f]*$/.test(text) ? text : "/";
}
