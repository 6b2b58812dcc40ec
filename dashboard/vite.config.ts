// Builds the dashboard into `dist`, which is committed: a plain `cargo build` embeds it and needs no Node.
import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  server: { proxy: { '/api': process.env.MAINSPRING_URL ?? 'http://127.0.0.1:7070' } },
});
