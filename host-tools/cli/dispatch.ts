/** Which module executes which command; each is loaded when its command is called. */
import type { CommandName } from "./command-table.ts";
import type { Execute } from "./invocation.ts";

type Loaders = {
  readonly [Name in CommandName]: () => Promise<{ readonly execute: Execute<Name> }>;
};

export const loaders: Loaders = {
  run: () => import("./commands/run.ts"),
  ps: () => import("./commands/ps.ts"),
  logs: () => import("./commands/logs.ts"),
  exec: () => import("./commands/exec.ts"),
  cp: () => import("./commands/cp.ts"),
  attach: () => import("./commands/attach.ts"),
  stop: () => import("./commands/stop.ts"),
  start: () => import("./commands/start.ts"),
  restart: () => import("./commands/restart.ts"),
  kill: () => import("./commands/kill.ts"),
  rm: () => import("./commands/rm.ts"),
  inspect: () => import("./commands/inspect.ts"),
  wait: () => import("./commands/wait.ts"),
  stats: () => import("./commands/stats.ts"),
  events: () => import("./commands/events.ts"),
  top: () => import("./commands/top.ts"),
  port: () => import("./commands/port.ts"),
  api: () => import("./commands/api.ts"),
  "template create": () => import("./commands/template-create.ts"),
  "template ls": () => import("./commands/template-ls.ts"),
  "template inspect": () => import("./commands/template-inspect.ts"),
  "template rm": () => import("./commands/template-rm.ts"),
  fork: () => import("./commands/fork.ts"),
  build: () => import("./commands/build.ts"),
  images: () => import("./commands/images.ts"),
  rmi: () => import("./commands/rmi.ts"),
  "image ls": () => import("./commands/image-ls.ts"),
  "image cat": () => import("./commands/image-cat.ts"),
  "image inspect": () => import("./commands/image-inspect.ts"),
  prune: () => import("./commands/prune.ts"),
  "kernel add": () => import("./commands/kernel-add.ts"),
  "kernel build": () => import("./commands/kernel-build.ts"),
  "kernel ls": () => import("./commands/kernel-ls.ts"),
  "kernel use": () => import("./commands/kernel-use.ts"),
  "kernel rm": () => import("./commands/kernel-rm.ts"),
  doctor: () => import("./commands/doctor.ts"),
  completion: () => import("./commands/completion.ts"),
  version: () => import("./commands/version.ts"),
  help: () => import("./commands/help.ts"),
  "complete-words": () => import("./commands/complete-words.ts"),
};
