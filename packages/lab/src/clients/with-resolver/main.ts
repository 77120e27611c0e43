/**
 * Runs a program that sees another /etc/resolv.conf than the rest of the machine: started in a mount namespace of its own, it
 * puts the file in place there and becomes the program's parent. Arguments: the file, then the program.
 */
import { spawn, spawnSync } from 'node:child_process';

const [file = '', command = '', ...args] = process.argv.slice(2);
const { status, stderr } = spawnSync('mount', ['--bind', file, '/etc/resolv.conf'], { encoding: 'utf8' });
if (status !== 0) {
  process.stderr.write(`mount: ${stderr}\n`);
  process.exit(2);
}
const child = spawn(command, args, { stdio: 'inherit' });
child.once('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
child.once('exit', (code) => {
  process.exitCode = code ?? 2;
});
