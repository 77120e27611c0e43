/** Reading an estate file that a user named, the same way in every command. */
import { type Estate, estateOrThrow, maximumFileBytes } from '@coequal/estate';
import type { World } from './world.ts';

/** The text, of which one byte more than allowed is read: the parser tells that it is too long. */
export const readEstateText = (world: World, path: string): Promise<string> =>
  world.files.readText(
    path,
    maximumFileBytes + 1,
    'Name your estate file, run in the folder that holds coequal.yaml, or start from estates/three-centres.yaml.',
  );

/** @throws FILE_MISSING, FILE_UNREADABLE, ESTATE_INVALID */
export const readEstate = async (world: World, path: string): Promise<Estate> =>
  estateOrThrow(await readEstateText(world, path), path);
