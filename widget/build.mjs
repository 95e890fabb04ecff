// One call builds the bundle. Worklets and the worker are bundled on their own and inlined as text,
// because they must be loaded from Blob URLs inside a notebook page.
import { build } from "esbuild";
import { copyFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(here, "../imkit/notebook/static");
const common = { bundle: true, minify: true, target: "es2022", legalComments: "none", logLevel: "warning" };

const inline = {
  name: "inline",
  setup(b) {
    b.onResolve({ filter: /^inline:/ }, (args) => ({
      path: resolve(args.resolveDir, args.path.slice("inline:".length)),
      namespace: "inline",
    }));
    b.onLoad({ filter: /.*/, namespace: "inline" }, async (args) => {
      const result = await build({ ...common, entryPoints: [args.path], format: "iife", write: false });
      return { contents: result.outputFiles[0].text, loader: "text" };
    });
  },
};

for (const name of ["widget", "surface"]) {
  await build({
    ...common,
    entryPoints: [resolve(here, `src/${name}.ts`)],
    outfile: resolve(out, `${name}.js`),
    format: "esm",
    define: { "define.amd": "false" },
    plugins: [inline],
  });
  await copyFile(resolve(here, `src/${name}.css`), resolve(out, `${name}.css`));
}
for (const name of ["widget.js", "widget.css", "surface.js", "surface.css"]) {
  console.log(name, ((await stat(resolve(out, name))).size / 1000).toFixed(1), "kB");
}
