/** Room that several listeners share: so many connections at once, over all of them. */
// Whoever entered leaves once, however its connection ends.

export class Hall {
  readonly places: number;
  #taken = 0;

  constructor(places: number) {
    this.places = places;
  }

  get full(): boolean {
    return this.#taken >= this.places;
  }

  enter(): void {
    this.#taken++;
  }

  leave(): void {
    this.#taken--;
  }
}
