import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { PanelModel } from '../src/model';
import { MlopsPanel } from '../src/panel';
import { SECTIONS } from '../src/sections';
import { IOpeners, ISection, Section } from '../src/sections/section';
import { ANSWERS, OPENED, RUN } from './records';
import { Server, until } from './server';

/** The sections that `records.ts` has an item of. */
const tested = SECTIONS.filter(section => section.id in OPENED);

let server: Server;
let panel: MlopsPanel;
const opened: string[] = [];
const open: IOpeners = {
  page: (noun, run) => void opened.push(`${noun} ${run}`),
  file: path => void opened.push(path)
};

function show(sections: ReadonlyArray<ISection>, folder = '1'): PanelModel {
  const model = new PanelModel(server.api, sections);
  panel = new MlopsPanel({ model, sections, open, translator: nullTranslator });
  model.shown = true;
  Widget.attach(panel, document.body);
  void model.follow(folder);
  return model;
}

const titles = () => panel.widgets.map(widget => widget.title.label);
const rows = () =>
  Array.from(panel.node.querySelectorAll<HTMLElement>('.jp-Mlops-row'));
const text = () => panel.node.textContent ?? '';

beforeEach(() => {
  opened.length = 0;
  server = new Server();
});

afterEach(() => panel.dispose());

describe('the sections', () => {
  it('stand in the order of the list', () => {
    show(SECTIONS);
    expect(panel.widgets.map(widget => widget.id)).toEqual(
      SECTIONS.map(section => `jp-mlops-${section.id}`)
    );
    expect(new Set(titles()).size).toBe(SECTIONS.length);
    expect(titles()).toEqual(expect.arrayContaining(['Runs', 'Drift']));
    expect(panel.title.caption).toBe(`MLOps: ${titles().join(', ')}`);
  });

  it('need one entry in the list and nothing else', async () => {
    class ModelsSection extends Section<{ name: string }> {
      protected row = (item: { name: string }) => (
        <li key={item.name}>{item.name}</li>
      );
      protected empty = () => <p>nothing</p>;
    }
    const modelsSection: ISection<{ name: string }> = {
      noun: 'model',
      id: 'models',
      label: () => 'Models',
      fetch: (api, folder) => api.list('models', folder),
      create: options => new ModelsSection(options)
    };
    server.answers.models = [{ name: '№ 9' }];
    const model = show([modelsSection, ...SECTIONS]);
    await until(() => text().includes('№ 9'));
    expect(titles()[0]).toBe('Models (1)');

    server.answers.models = [];
    await model.refreshList('model');
    await until(() => text().includes('nothing'));
  });

  it('say what to type while they are empty', async () => {
    show(SECTIONS);
    await until(() => text().includes('%mlops data add PATH'));
    expect(text()).toContain('%%mlops run NAME');
  });

  it('count their items in the heading, and open what a row stands for', async () => {
    server.answers = { ...ANSWERS };
    show(tested);
    await until(() => rows().length === tested.length);
    expect(titles()).toEqual(
      tested.map(section => `${section.label(nullTranslator.load(''))} (1)`)
    );
    rows().forEach(row => row.click());
    expect(opened).toEqual(tested.map(section => OPENED[section.id]));
  });

  it('stop a service and ask for the list again', async () => {
    server.answers = { ...ANSWERS, 'services/№ 7/stop': {} };
    show(tested);
    await until(() => rows().length === tested.length);
    server.asked.length = 0;
    panel.node.querySelector<HTMLElement>('.jp-Mlops-action')!.click();
    await until(() => server.asked.length === 2);
    expect(server.asked).toEqual([
      'POST services/№ 7/stop path=1',
      'GET services path=1'
    ]);
  });

  it('fold the runs of a sweep under it', async () => {
    const part = { ...RUN, run_id: '1', parent: RUN.run_id };
    server.answers.runs = [RUN, part, { ...part, run_id: '2' }];
    show(SECTIONS);
    await until(() => text().includes('2 runs inside'));
    expect(rows()).toHaveLength(2);
    rows()[1].click();
    await until(() => rows().length === 4);
  });

  it('are disposed with the panel, and so are its model and the lists', () => {
    const model = show(SECTIONS);
    const sections = [...panel.widgets];
    panel.dispose();
    expect(sections.map(section => section.isDisposed)).not.toContain(false);
    expect(model.isDisposed).toBe(true);
    model.lists.forEach(list => expect(list.isDisposed).toBe(true));
  });

  it('say that a list needs trust', async () => {
    server.answers.jobs = Object.assign(new Error(), { name: 'NotTrusted' });
    server.answers.drift = new Error('the store is away');
    show(SECTIONS);
    await until(() => text().includes('Shown once the project is trusted.'));
    await until(() => text().includes('the store is away'));
  });
});
