import {defineConfig} from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.{ts,tsx}', 'standalone/*.test.ts'],
    setupFiles: ['./vitest.setup.ts'],
    // No test is about time; the default of 5 s is too short for a machine that is busy with others.
    testTimeout: 120_000,
    css: {modules: {classNameStrategy: 'non-scoped'}},
  },
});
