// Packages come from the folder into which prepare.sh installed them.
import { createRequire } from "node:module";

export const need = createRequire(`${process.env.BENCH_PEERS_HOME}/package.json`);
