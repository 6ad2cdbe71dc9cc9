/** @throws {TypeError} when the browser cannot draw */
export function context2d(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new TypeError("this browser has no canvas");
  return context;
}
