/** Linux system call numbers and flags used by the emitted executables. */

/** x86-64 numbers, from the kernel's arch/x86/entry/syscalls/syscall_64.tbl. */
export const SYSTEM_CALL = {
  read: 0,
  write: 1,
  open: 2,
  close: 3,
  poll: 7,
  mmap: 9,
  ioctl: 16,
  pread: 17,
  pwrite: 18,
  dup2: 33,
  nanosleep: 35,
  socket: 41,
  bind: 49,
  listen: 50,
  socketpair: 53,
  setsockopt: 54,
  fork: 57,
  execve: 59,
  exit: 60,
  wait4: 61,
  kill: 62,
  fcntl: 72,
  chdir: 80,
  mkdir: 83,
  unlink: 87,
  symlink: 88,
  sysinfo: 99,
  setuid: 105,
  setgid: 106,
  setsid: 112,
  setgroups: 116,
  setpriority: 141,
  adjtimex: 159,
  setrlimit: 160,
  chroot: 161,
  sync: 162,
  mount: 165,
  sethostname: 170,
  reboot: 169,
  dup3: 292,
  finitModule: 313,
  getrandom: 318,
  pidfdOpen: 434,
} as const;

/** include/uapi/linux/mount.h */
export const MOUNT_FLAG = {
  readOnly: 1,
  noSuid: 2,
  noDevices: 4,
  noExecute: 8,
  noAccessTimes: 1024,
  move: 8192,
} as const;

/** include/uapi/asm-generic/fcntl.h */
export const OPEN_FLAG = {
  readOnly: 0,
  writeOnly: 1,
  readWrite: 2,
  create: 0o100,
  truncate: 0o1000,
  closeOnExec: 0o2000000,
} as const;

/** include/uapi/asm-generic/mman-common.h */
export const PROTECTION = { read: 1, write: 2 } as const;
export const MAP_FLAG = { private: 2, anonymous: 0x20, populate: 0x8000 } as const;

/** include/uapi/linux/reboot.h */
export const REBOOT = {
  magic1: 0xfee1dead,
  magic2: 672274793,
  powerOff: 0x4321fedc,
} as const;

/** include/uapi/asm-generic/ioctls.h: TIOCSCTTY, makes a terminal the caller's controlling one. */
export const IOCTL_SET_CONTROLLING_TERMINAL = 0x540e;

/** include/uapi/asm-generic/resource.h */
export const RLIMIT_NOFILE = 7;

/** include/uapi/asm-generic/signal.h */
export const SIGNAL = { continue: 18, stop: 19 } as const;

/** include/uapi/linux/random.h: RNDADDENTROPY, RNDRESEEDCRNG */
export const IOCTL_ADD_ENTROPY = 0x40085203;
export const IOCTL_RESEED = 0x5207;

/** include/uapi/linux/sockios.h: SIOCSIFHWADDR */
export const IOCTL_SET_HARDWARE_ADDRESS = 0x8924;

/** include/linux/socket.h, include/linux/net.h */
export const ADDRESS_FAMILY_UNIX = 1;
export const ADDRESS_FAMILY_INET = 2;
export const ADDRESS_FAMILY_INET6 = 10;
export const SOCKET_STREAM = 1;
export const SOCKET_DATAGRAM = 2;
export const SOCKET_CLOSE_ON_EXEC = 0o2000000;

/** include/uapi/asm-generic/socket.h: SOL_SOCKET, SO_REUSEADDR */
export const SOCKET_OPTION = { level: 1, reuseAddress: 2 } as const;

/** include/uapi/linux/fcntl.h: F_SETFD */
export const SET_DESCRIPTOR_FLAGS = 2;
