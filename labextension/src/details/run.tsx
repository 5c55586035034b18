import * as React from 'react';

import { duration, moment, number } from '../format';
import { Badge } from '../parts';
import type { RunDetail } from '../types.gen';
import { word } from '../words';
import { IPage, Page } from './page';

/** Everything that was recorded of one run, its outcome first. */
export const runPage: IPage<RunDetail> = {
  noun: 'run',
  label: trans => trans.__('Open Run'),
  fetch: (api, folder, run) => api.run(folder, run),
  create: (model, trans) => new RunPage(model, trans)
};

class RunPage extends Page<RunDetail> {
  protected name(run: RunDetail): string {
    return run.name;
  }

  protected page(run: RunDetail): JSX.Element {
    const trans = this.trans;
    return (
      <article>
        <header className="jp-Mlops-pageHeader">
          <h1>{run.name}</h1>
          <Badge status={run.status} />
        </header>
        <Facts facts={this.facts(run)} />
        {run.error && (
          <Block title={trans.__('Error')}>
            <pre className="jp-Mlops-error" tabIndex={0}>
              {run.error}
            </pre>
          </Block>
        )}
        <div className="jp-Mlops-columns">
          <Table
            title={trans.__('Metrics')}
            rows={Object.entries(run.metrics).map(([name, value]) => [
              name,
              number(value)
            ])}
          />
          <Table
            title={trans.__('Parameters')}
            rows={Object.entries(run.params)}
          />
        </div>
        <Table
          title={trans.__('Data')}
          rows={run.data.map(use => [
            use.path,
            `${use.version.slice(0, 12)} · ${word(trans, use.role)}`
          ])}
        />
        {run.model && (
          <Table
            title={trans.__('Model')}
            rows={[
              [trans.__('flavour'), run.model.flavor],
              [
                trans.__('format'),
                run.model.safe
                  ? run.model.format
                  : trans.__('%1 (loading it runs code)', run.model.format)
              ],
              [
                trans.__('inputs'),
                run.model.inputs
                  .map(input =>
                    input.name ? `${input.name}: ${input.type}` : input.type
                  )
                  .join(', ')
              ]
            ]}
          />
        )}
        {run.source && (
          <Block title={trans.__('Source')}>
            <pre tabIndex={0}>{run.source}</pre>
          </Block>
        )}
        {run.artifacts.length > 0 && (
          <Block title={trans.__('Artifacts')}>
            <ul className="jp-Mlops-plain">
              {run.artifacts.map(path => (
                <li key={path}>
                  <code>{path}</code>
                </li>
              ))}
            </ul>
          </Block>
        )}
      </article>
    );
  }

  private facts(run: RunDetail): [string, string][] {
    const trans = this.trans;
    const took =
      run.end_time &&
      (new Date(run.end_time).getTime() - new Date(run.start_time).getTime()) /
        1000;
    const facts: [string, string][] = [
      [trans.__('run'), run.run_id],
      [trans.__('experiment'), run.experiment],
      [trans.__('kind'), word(trans, run.kind)],
      [trans.__('started'), moment(run.start_time)],
      [
        trans.__('took'),
        took === null || took === '' ? '' : duration(took, trans)
      ],
      [trans.__('notebook'), run.notebook],
      [trans.__('commit'), run.commit.slice(0, 12)],
      [trans.__('packages'), run.packages ? `${run.packages}` : '']
    ];
    return facts.filter(([, value]) => value !== '');
  }
}

function Facts(props: { facts: [string, string][] }): JSX.Element {
  return (
    <dl className="jp-Mlops-facts">
      {props.facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Block(props: {
  title: string;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <section>
      <h2>{props.title}</h2>
      {props.children}
    </section>
  );
}

function Table(props: {
  title: string;
  rows: [string, string][];
}): JSX.Element | null {
  return props.rows.length === 0 ? null : (
    <Block title={props.title}>
      <table className="jp-Mlops-table">
        <tbody>
          {props.rows.map(([name, value], index) => (
            <tr key={`${index} ${name}`}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Block>
  );
}
