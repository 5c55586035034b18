import { dataSection } from './data';
import { driftSection } from './drift';
import { jobsSection } from './jobs';
import { runsSection } from './runs';
import type { ISection } from './section';
import { servicesSection } from './services';

/** The panel's sections, in the order in which everything lists them. */
export const SECTIONS: ReadonlyArray<ISection> = [
  runsSection,
  dataSection,
  jobsSection,
  servicesSection,
  driftSection
];
