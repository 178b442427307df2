// Builds web/dist: four files with fixed names, so that the server can embed them by name. What the
// browser may keep is decided by the `?v=<hash of the content>` that index.html asks for.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const SIZE_LIMIT_BYTES = 100 * 1024; // all files together, as they lie in the server's binary
const root = fileURLToPath(new URL('.', import.meta.url));
const dist = `${root}dist/`;

const options = {
  absWorkingDir: root,
  entryPoints: { app: 'src/main.ts', 'app-style': 'src/style/app.css' },
  bundle: true,
  minify: true,
  write: false,
  outdir: 'dist',
  format: 'esm',
  target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'],
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
};

function fingerprint(bytes) {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 10);
}

async function writeDist(outputs) {
  const script = outputs.find((file) => file.path.endsWith('app.js')).contents;
  const style = outputs.find((file) => file.path.endsWith('app-style.css')).contents;
  const icon = await readFile(`${root}src/favicon.svg`);
  const page = (await readFile(`${root}src/index.html`, 'utf8'))
    .replace('/app.js', `/app.js?v=${fingerprint(script)}`)
    .replace('/app.css', `/app.css?v=${fingerprint(style)}`)
    .replace('/favicon.svg', `/favicon.svg?v=${fingerprint(icon)}`);
  const files = { 'index.html': Buffer.from(page), 'app.js': script, 'app.css': style, 'favicon.svg': icon };

  await rm(dist, { recursive: true, force: true });
  await mkdir(dist, { recursive: true });
  let total = 0;
  for (const [name, bytes] of Object.entries(files)) {
    await writeFile(dist + name, bytes);
    total += bytes.length;
    console.log(`${String(bytes.length).padStart(7)}  dist/${name}`);
  }
  console.log(`${String(total).padStart(7)}  together`);
  if (total > SIZE_LIMIT_BYTES) throw new Error(`dist is larger than ${SIZE_LIMIT_BYTES} bytes`);
}

const writer = {
  name: 'write-dist',
  setup(build) {
    build.onEnd(async (result) => {
      if (result.errors.length === 0) await writeDist(result.outputFiles);
    });
  },
};

if (process.argv.includes('--watch')) {
  const context = await esbuild.context({ ...options, plugins: [writer] });
  await context.watch();
} else {
  await esbuild.build({ ...options, plugins: [writer] });
}
