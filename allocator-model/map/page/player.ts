/** The time that is shown: a scrubber, and a button that lets it go on by itself. */

const WHOLE_MS = 10_000;
const MS_PER_SAMPLE_MAX = 100;

export class Player {
  readonly #range: HTMLInputElement;
  readonly #button: HTMLButtonElement;
  readonly #seek: (sample: number) => void;
  readonly #last: number;
  #frame = 0;

  /** @param seek told of the sample to show */
  constructor(
    { range, button }: { readonly range: HTMLInputElement; readonly button: HTMLButtonElement },
    samples: number,
    seek: (sample: number) => void,
  ) {
    this.#range = range;
    this.#button = button;
    this.#seek = seek;
    this.#last = samples - 1;
    range.max = String(this.#last);
    range.addEventListener("input", () => {
      this.stop();
      seek(range.valueAsNumber);
    });
    button.addEventListener("click", () => this.toggle());
  }

  get isPlaying(): boolean {
    return this.#frame !== 0;
  }

  show(sample: number, text: string): void {
    this.#range.value = String(sample);
    this.#range.setAttribute("aria-valuetext", text);
  }

  step(by: number): void {
    this.stop();
    this.#seek(Math.min(Math.max(this.#range.valueAsNumber + by, 0), this.#last));
  }

  toggle(): void {
    if (this.isPlaying) this.stop();
    else this.#play();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#label();
  }

  /** From the present time on; from the begin when that is the end. */
  #play(): void {
    const now = this.#range.valueAsNumber;
    const first = now >= this.#last ? 0 : now;
    const msPerSample = Math.min(MS_PER_SAMPLE_MAX, WHOLE_MS / Math.max(1, this.#last));
    let begin: number | undefined;
    const next = (timeMs: number): void => {
      begin ??= timeMs;
      const sample = Math.min(first + Math.floor((timeMs - begin) / msPerSample), this.#last);
      this.#seek(sample);
      if (sample < this.#last) this.#frame = requestAnimationFrame(next);
      else this.stop();
    };
    this.#frame = requestAnimationFrame(next);
    this.#label();
  }

  #label(): void {
    this.#button.textContent = this.isPlaying ? "Pause" : "Play";
    this.#button.setAttribute("aria-pressed", String(this.isPlaying));
  }
}
