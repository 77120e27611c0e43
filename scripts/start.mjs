/** `npm start`: three data centres on this machine. Arguments go to `coequal lab up`, as in `npm start -- --sites 3`. */
import { runToEnd, setUp, tools } from './setup.mjs';

const node = await setUp();
const [, command] = tools.command;
// npm moves to the folder of package.json; paths in the arguments are meant from where the person stood.
const cwd = process.env.INIT_CWD ?? process.cwd();
process.exitCode = await runToEnd(node, [...command, 'lab', 'up', ...process.argv.slice(2)], { cwd });
