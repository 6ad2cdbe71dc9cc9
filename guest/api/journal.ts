/**
 * The journal: what the guest tells the host without being asked, one JSON object a line over the
 * virtio-serial port `JOURNAL_PORT`. The host keeps it as a file, so that a program's output and its
 * exit status outlive the machine.
 */
import { type Static, Type } from "typebox";

const timeMs = Type.Integer({ description: "Unix time in milliseconds, the guest's clock" });

/** Some output of the program; chunks are whole lines where the program wrote whole lines. */
export const OutputRecord = Type.Object(
  {
    kind: Type.Literal("output"),
    timeMs,
    stream: Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]),
    text: Type.String({ description: "UTF-8; other bytes are replaced by U+FFFD" }),
  },
  { additionalProperties: false },
);
export type OutputRecord = Static<typeof OutputRecord>;

/**
 * A step of the boot was reached; uptimeMs counts from the kernel's start. armed: everything is stopped and
 * the machine can be saved; woken: a clone has its own identity.
 */
export const PhaseRecord = Type.Object(
  {
    kind: Type.Literal("phase"),
    timeMs,
    phase: Type.Union([
      Type.Literal("init"),
      Type.Literal("program-started"),
      Type.Literal("program-listening"),
      Type.Literal("agent-listening"),
      Type.Literal("ready"),
      Type.Literal("armed"),
      Type.Literal("woken"),
    ]),
    uptimeMs: Type.Number(),
  },
  { additionalProperties: false },
);
export type PhaseRecord = Static<typeof PhaseRecord>;

/** The program ended. `final` is false when the restart policy starts it again. */
export const ExitRecord = Type.Object(
  {
    kind: Type.Literal("exit"),
    timeMs,
    exitCode: Type.Union([Type.Integer(), Type.Null()]),
    signal: Type.Union([Type.String(), Type.Null()]),
    reason: Type.Union([Type.String(), Type.Null()]),
    final: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type ExitRecord = Static<typeof ExitRecord>;

/** The agent says something about itself or the health of the program. */
export const NoticeRecord = Type.Object(
  {
    kind: Type.Literal("notice"),
    timeMs,
    level: Type.Union([Type.Literal("info"), Type.Literal("warning"), Type.Literal("error")]),
    text: Type.String(),
  },
  { additionalProperties: false },
);
export type NoticeRecord = Static<typeof NoticeRecord>;

export const JournalRecord = Type.Union([OutputRecord, PhaseRecord, ExitRecord, NoticeRecord]);
export type JournalRecord = Static<typeof JournalRecord>;
