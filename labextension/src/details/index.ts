import { driftPage } from './drift';
import type { IPage } from './page';
import { runPage } from './run';

/** The kinds of pages; each has a command that opens it. */
export const PAGES: ReadonlyArray<IPage> = [runPage, driftPage];
