/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as Linux computes it. */

const table = new Uint32Array(256).map((_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

/**
 * The running remainder of `bytes`, without the inversion that other users apply at the end: what
 * Linux's `crc32c(seed, ...)` returns.
 *
 * @param seed 32 bits; the remainder before the first byte
 */
export function crc32c(seed: number, bytes: Uint8Array): number {
  let value = seed >>> 0;
  for (const byte of bytes) value = (value >>> 8) ^ (table[(value ^ byte) & 0xff] as number);
  return value >>> 0;
}
