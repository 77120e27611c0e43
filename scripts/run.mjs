/** `npm run check`, `npm run fix`, `npm run bench`. */
import { runToEnd, say, setUp, tools } from './setup.mjs';

const [task, ...rest] = process.argv.slice(2);

const run = (node, [name, args], more = []) => {
  say(name);
  return runToEnd(node, [...args, ...more]);
};

const tasks = {
  check: async (node) => {
    const codes = [
      await run(node, tools.types),
      await run(node, tools.lint),
      await run(node, tools.vitest, ['--project', 'pure', 'test/']),
    ];
    return Math.max(...codes);
  },
  fix: (node) => run(node, tools.fix),
  bench: (node) => runToEnd(node, [...tools.command[1], 'bench', ...rest]),
};

if (!Object.hasOwn(tasks, task ?? '')) {
  say(
    `run one of: ${Object.keys(tasks)
      .map((name) => `npm run ${name}`)
      .join(', ')}`,
  );
  process.exitCode = 2;
} else {
  process.exitCode = await tasks[task](await setUp());
}
