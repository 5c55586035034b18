import * as React from 'react';

import { Command, Pairs, RelativeTime, Row } from '../parts';
import type { Job } from '../types.gen';
import { word } from '../words';
import { ISection, Section } from './section';

/** The notebooks made callable, their schedules, and how they went last. */
export const jobsSection: ISection<Job> = {
  noun: 'job',
  id: 'jobs',
  label: trans => trans.__('Jobs'),
  fetch: (api, folder) => api.list('jobs', folder),
  create: options => new JobsSection(options)
};

class JobsSection extends Section<Job> {
  protected row(job: Job): JSX.Element {
    return (
      <Row
        key={job.name}
        status={job.last_status || job.status}
        title={job.name}
        tooltip={`${job.notebook} · ${word(this.trans, job.status)}`}
        side={job.last_time && <RelativeTime time={job.last_time} />}
        details={
          job.error ? (
            <span className="jp-Mlops-error">{job.error}</span>
          ) : (
            <>
              {job.cron && (
                <span
                  className="jp-Mlops-pair jp-Mlops-mono"
                  title={job.timezone}
                >
                  {job.cron}
                </span>
              )}
              {job.next_time && (
                <span className="jp-Mlops-pair">
                  {this.trans.__('next')} <RelativeTime time={job.next_time} />
                </span>
              )}
              {!job.cron && (
                <span className="jp-Mlops-pair">{job.notebook}</span>
              )}
              <Pairs values={asText(job.params)} />
            </>
          )
        }
        onOpen={() =>
          job.last_run
            ? this.open.page('run', job.last_run)
            : this.open.file(job.notebook)
        }
      />
    );
  }

  protected empty(): JSX.Element {
    return (
      <>
        <p>{this.trans.__('No jobs yet. Run a notebook with parameters:')}</p>
        <Command line="%mlops job run NOTEBOOK -p NAME=VALUE" />
      </>
    );
  }
}

function asText(params: Job['params']): { [key: string]: string } {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value)
    ])
  );
}
