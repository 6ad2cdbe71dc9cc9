/** Users and groups as the guest's /etc/passwd and /etc/group have them: passwd(5), group(5). Pure. */
import type { Credentials } from "../agent/guest-system.ts";
import { GROUPS_MAX, ID_MAX } from "../api/credentials.ts";

/**
 * Resolves "name", "uid", "name:group" or "uid:gid". A number need not be in the files: its group is
 * then the same number's, or root's for a user alone, as container runtimes have it.
 *
 * @throws {Error} that says which name is unknown
 */
export function resolveUser(user: string, passwd: string, group: string): Credentials {
  const [userPart = "", groupPart] = user.split(":", 2);
  const entries = passwd.split("\n").map((line) => line.split(":"));
  const valid = entries.filter((fields) => isNumber(fields[2]) && isNumber(fields[3]));
  // A name goes before a number, as chown(1) has it.
  const entry =
    valid.find((fields) => fields[0] === userPart) ??
    valid.find((fields) => fields[2] === userPart);
  if (!entry && !isNumber(userPart)) throw new Error(`There is no user "${userPart}" in the image`);
  const uid = Number(entry?.[2] ?? userPart);
  const home = entry?.[5];
  const gid = groupPart === undefined ? Number(entry?.[3] ?? 0) : resolveGroup(groupPart, group);
  // Root needs none, and the starter, which starts most programs of root, gives it none.
  const groups = groupPart === undefined && uid !== 0 ? groupsOf(entry?.[0], group, gid) : [];
  return { uid, gid, ...(home !== undefined && { home }), ...(groups.length > 0 && { groups }) };
}

/** Those that a user is a member of; who names a group has that one alone, as container runtimes have it. */
function groupsOf(name: string | undefined, group: string, primary: number): number[] {
  if (name === undefined) return [];
  const entries = group.split("\n").map((line) => line.split(":"));
  const groups = entries
    .filter(([, , id, members]) => isNumber(id) && members?.split(",").includes(name))
    .map(([, , id]) => Number(id))
    .filter((id, index, all) => id !== primary && all.indexOf(id) === index);
  if (groups.length <= GROUPS_MAX) return groups;
  throw new Error(`The user "${name}" is in ${groups.length} groups, over ${GROUPS_MAX}`);
}

function resolveGroup(name: string, group: string): number {
  const entries = group.split("\n").map((line) => line.split(":"));
  const entry = entries.find((fields) => fields[0] === name && isNumber(fields[2]));
  if (entry) return Number(entry[2]);
  if (isNumber(name)) return Number(name);
  throw new Error(`There is no group "${name}" in the image`);
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) <= ID_MAX;
}
