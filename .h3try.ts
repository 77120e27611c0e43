import { findPrograms, labProgramNames } from './packages/engines/src/binaries/index.ts';
const p = await findPrograms(labProgramNames, { cacheFolder: process.argv[2]!, environment: process.env, progress: (t) => console.log(' -', t) });
console.log(p.versions, p.source, p.environment, p.galeraLibrary, p.pluginFolder, p.shareFolder, p.faketimeLibrary);
for (const n of ['mariadbd','ss','ip','nft','wirefilter','vde_plug2tap','rsync','stunnel','mkfs.ext4','garbd'] as const) console.log(n, p.path(n));
