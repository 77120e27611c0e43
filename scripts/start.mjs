/**
 * `npm start`: three data centres on this machine, with the work of a bank's branches, and watched as an estate is. Arguments go to
 * `coequal lab up` instead, as in `npm start -- --sites 3`.
 */
import { runToEnd, setUp, tools } from './setup.mjs';

const node = await setUp();
const [, command] = tools.command;
// npm moves to the folder of package.json; paths in the arguments are meant from where the person stood.
const cwd = process.env.INIT_CWD ?? process.cwd();
const asked = process.argv.slice(2);
const flags = asked.length > 0 ? asked : ['--branches', '--operations'];
process.exitCode = await runToEnd(node, [...command, 'lab', 'up', ...flags], { cwd });
