/**
 * Two projects: tests that need nothing but the processor run side by side; tests on real servers
 * (`*.server.test.ts`) run one file at a time after them, so that their figures and deadlines are their own.
 */
import { defineConfig } from 'vitest/config';

const serverTests = '**/*.server.test.ts';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'pure',
          include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [serverTests],
          maxWorkers: 2,
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'server',
          include: [`packages/*/src/${serverTests}`],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
