/** Constants of Linux on x86-64 that Node's fs.constants does not have, or calls by no name. */

/** include/uapi/linux/fcntl.h */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;

/** include/uapi/asm-generic/fcntl.h */
export const O_PATH = 0o10000000;

/** include/uapi/linux/fs.h */
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const FS_IOC_GETFLAGS = 0x80086601;
export const FS_IOC_SETFLAGS = 0x40086602;
export const FS_IMMUTABLE = 0x10;

/** include/uapi/linux/mount.h */
export const MS_RDONLY = 1;
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;

/** include/linux/limits.h: of a name without its NUL; of a path with it. */
export const NAME_MAX = 255;
export const PATH_MAX = 4096;

/** include/linux/namei.h: this many links are followed, the next one is ELOOP. */
export const MAX_LINKS = 40;
