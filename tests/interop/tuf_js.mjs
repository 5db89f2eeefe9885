// Verify a midmirror catalog with tuf-js, the TUF client of npm's own world, which shares no code with midmirror.
//
//     npm install tuf-js
//     tuf_js.mjs TRUSTED_ROOT METADATA_URL TARGETS_URL STATE_DIR TARGET...
//
// TRUSTED_ROOT is root metadata had from a trusted place (a copy of repository/1.root.json), METADATA_URL the mirror's
// /repository, TARGETS_URL its /repository/targets. STATE_DIR is what the client remembers from run to run. MIDMIRROR_TUF_JS
// names the folder with node_modules; NODE_EXTRA_CA_CERTS the mirror's certificate authority.
//
// Prints one JSON object: the versions and what was found of the targets. Exit code 0: all is verified; 1: refused, with the
// reason on standard error.

import fs from "node:fs";
import path from "node:path";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.env.MIDMIRROR_TUF_JS ?? process.cwd(), "package.json"));
const { Updater } = require("tuf-js");

const [root, metadataBaseUrl, targetBaseUrl, state, ...targets] = process.argv.slice(2);
const metadataDir = path.join(state, "metadata");
const targetDir = path.join(state, "targets");
for (const folder of [metadataDir, targetDir]) fs.mkdirSync(folder, { recursive: true });
const remembered = path.join(metadataDir, "root.json");
if (!fs.existsSync(remembered)) fs.copyFileSync(root, remembered);

try {
  // With consistent snapshots the digest stands before the name, which is what tuf-js does by itself.
  const config = { fetchRetries: 0, fetchRetry: false };
  const updater = new Updater({ metadataDir, metadataBaseUrl, targetDir, targetBaseUrl, config });
  await updater.refresh();
  const found = { versions: {}, targets: {} };
  for (const role of ["root", "timestamp", "snapshot", "targets"]) {
    found.versions[role] = JSON.parse(fs.readFileSync(path.join(metadataDir, `${role}.json`))).signed.version;
  }
  for (const name of targets) {
    const info = await updater.getTargetInfo(name);
    if (!info) throw new Error(`${name} is not in the catalog`);
    const file = await updater.downloadTarget(info);
    const sha256 = createHash("sha256").update(fs.readFileSync(file)).digest("hex");
    found.targets[name] = { length: info.length, sha256 };
  }
  console.log(JSON.stringify(found, null, 2));
} catch (error) {
  console.error(`error: ${error.constructor.name}: ${error.message}`);
  process.exit(1);
}
