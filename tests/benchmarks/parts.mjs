// Whether these packages are installed: `node parts.mjs fastify pg`.
import { need } from "./need.mjs";

process.argv.slice(2).forEach(need);
