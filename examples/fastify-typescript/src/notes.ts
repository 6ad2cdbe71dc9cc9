export interface Note {
  readonly id: number;
  readonly text: string;
}

/** Notes in memory, numbered from 1. */
export class Notes {
  readonly #notes = new Map<number, Note>();
  #lastId = 0;

  add(text: string): Note {
    this.#lastId += 1;
    const note = { id: this.#lastId, text };
    this.#notes.set(note.id, note);
    return note;
  }

  get(id: number): Note | undefined {
    return this.#notes.get(id);
  }
}
