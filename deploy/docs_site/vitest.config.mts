import {defineConfig} from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.{ts,tsx}', 'standalone/*.test.ts'],
    setupFiles: ['./vitest.setup.ts'],
    css: {modules: {classNameStrategy: 'non-scoped'}},
  },
});
