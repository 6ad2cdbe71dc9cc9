/**
 * Who a program is to be, for `/sbin/windlass-user` (image-builder/first-process/user-helper.ts), as a file:
 *
 * | offset | length | meaning |
 * |---|---|---|
 * | 0 | 8 | user |
 * | 8 | 8 | primary group |
 * | 16 | 8 | number of supplementary groups |
 * | 24 | 8 | length of it all |
 * | 32 | 4 each | supplementary groups: gid_t of setgroups(2) |
 *
 * All little-endian.
 */

/** Of one user. Linux takes 65,536. */
export const GROUPS_MAX = 1024;
/** uid_t and gid_t have 32 bits; the last number means none (chown(2)). */
export const ID_MAX = 2 ** 32 - 2;
const GROUP_BYTES = 4;
const GROUPS_OFFSET = 32;

export const CREDENTIALS_LAYOUT = {
  uid: 0,
  gid: 8,
  groupCount: 16,
  length: 24,
  groups: GROUPS_OFFSET,
  bytesMax: GROUPS_OFFSET + GROUPS_MAX * GROUP_BYTES,
} as const;

export interface UserAndGroups {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** @throws {RangeError} for numbers that no user or group can have, and for more groups than GROUPS_MAX */
export function credentialsBytes({ uid, gid, groups }: UserAndGroups): Buffer {
  for (const id of [uid, gid, ...groups]) {
    if (!Number.isInteger(id) || id < 0 || id > ID_MAX)
      throw new RangeError(`${id} is no user or group`);
  }
  if (groups.length > GROUPS_MAX) throw new RangeError(`${groups.length} groups are too many`);
  const at = CREDENTIALS_LAYOUT;
  const bytes = Buffer.alloc(at.groups + groups.length * GROUP_BYTES);
  bytes.writeBigUInt64LE(BigInt(uid), at.uid);
  bytes.writeBigUInt64LE(BigInt(gid), at.gid);
  bytes.writeBigUInt64LE(BigInt(groups.length), at.groupCount);
  bytes.writeBigUInt64LE(BigInt(bytes.length), at.length);
  for (const [index, group] of groups.entries())
    bytes.writeUInt32LE(group, at.groups + index * GROUP_BYTES);
  return bytes;
}
