/**
 * Who a program is to be, for `/sbin/windlass-user` (image-builder/first-process/user-helper.ts), as a file:
 *
 * | offset | length | meaning |
 * |---|---|---|
 * | 0 | 8 | user |
 * | 8 | 8 | primary group |
 * | 16 | 8 | number of supplementary groups |
 * | 24 | 4 each | these: gid_t of setgroups(2) |
 *
 * All little-endian.
 */

/** Of one user. Linux takes 65,536. */
export const GROUPS_MAX = 1024;
const GROUP_BYTES = 4;
const GROUPS_OFFSET = 24;

export const CREDENTIALS_LAYOUT = {
  uid: 0,
  gid: 8,
  groupCount: 16,
  groups: GROUPS_OFFSET,
  bytesMax: GROUPS_OFFSET + GROUPS_MAX * GROUP_BYTES,
} as const;

export interface UserAndGroups {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

export function credentialsBytes({ uid, gid, groups }: UserAndGroups): Buffer {
  const { gid: gidAt, groupCount, groups: groupsAt } = CREDENTIALS_LAYOUT;
  const bytes = Buffer.alloc(groupsAt + groups.length * GROUP_BYTES);
  bytes.writeBigUInt64LE(BigInt(uid));
  bytes.writeBigUInt64LE(BigInt(gid), gidAt);
  bytes.writeBigUInt64LE(BigInt(groups.length), groupCount);
  for (const [index, group] of groups.entries())
    bytes.writeUInt32LE(group, groupsAt + index * GROUP_BYTES);
  return bytes;
}
