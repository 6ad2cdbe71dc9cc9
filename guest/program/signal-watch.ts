/**
 * Listens for a signal without being seen by the program: no entry in process.eventNames(), nothing
 * that process.removeAllListeners() takes away, no warning about too many listeners.
 *
 * Node opens a signal's watcher when "newListener" is emitted for it, and what the watcher calls is
 * what process.emit is at that moment (lib/internal/process/signal.js, Node 12 to 26). The watcher
 * holds no reference to the event loop. The only way to close it is to add a listener of one's own
 * for the same signal and to remove it again.
 */
export function watchSignal(signal: NodeJS.Signals, onSignal: () => void): void {
  const hadOwn = Object.hasOwn(process, "emit");
  const { emit } = process;
  const caught = (...event: unknown[]): boolean => {
    try {
      return Reflect.apply(process.emit, process, event);
    } finally {
      // Last: whatever came after it, every clone would do as it wakes.
      onSignal();
    }
  };
  process.emit = caught as typeof process.emit;
  Reflect.apply(emit, process, ["newListener", signal, onSignal]);
  if (hadOwn) process.emit = emit;
  else Reflect.deleteProperty(process, "emit");
}
