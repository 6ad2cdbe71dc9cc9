/** Windlass's version, put in by the build (build.ts). */
declare const WINDLASS_VERSION: string;
