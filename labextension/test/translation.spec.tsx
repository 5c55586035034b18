import type { ITranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { PAGES } from '../src/details';
import { PageModel } from '../src/details/page';
import { moment } from '../src/format';
import mime, { DRIFT_MIME } from '../src/mime';
import { PanelModel } from '../src/model';
import { MlopsPanel } from '../src/panel';
import { SECTIONS } from '../src/sections';
import { word } from '../src/words';
import { ANSWERS, CHECK, PROJECT, REPORT, RUN } from './records';
import { Server, until } from './server';

/** A language in which each text stands in brackets. */
const trans = {
  __: (text: string, ...values: unknown[]) => `⟦${fill(text, values)}⟧`,
  _n: (one: string, many: string, count: number, ...values: unknown[]) =>
    `⟦${fill(count === 1 ? one : many, [count, ...values])}⟧`
} as ReturnType<ITranslator['load']>;
const translator = {
  languageCode: 'xx',
  load: () => trans
} as unknown as ITranslator;

function fill(text: string, values: unknown[]): string {
  return text.replace(/%(\d)/g, (_, at: string) => String(values[+at - 1]));
}

/** Return the words below a node that nobody translated; code and times are not ours to translate. */
function untranslated(node: HTMLElement): string[] {
  const copy = node.cloneNode(true) as HTMLElement;
  copy.querySelectorAll('code, pre, time, a').forEach(it => it.remove());
  const texts = [copy.getAttribute('aria-label') ?? ''];
  copy.querySelectorAll('*').forEach(element => {
    for (const name of ['alt', 'aria-label', 'placeholder', 'title']) {
      texts.push(element.getAttribute(name) ?? '');
    }
    for (const child of Array.from(element.childNodes)) {
      if (child.nodeType === Node.TEXT_NODE) {
        texts.push(child.textContent ?? '');
      }
    }
  });
  return texts.filter(text => /[a-z]{2}/i.test(outside(ours(text))));
}

/** Take away what others write: Intl the times, Lumino the end of a section's label. */
function ours(text: string): string {
  return text.replace(moment(RUN.start_time), '').replace(/ Section$/, '');
}

/** Take away what stands in brackets. */
function outside(text: string): string {
  const without = text.replace(/⟦[^⟦⟧]*⟧/g, '');
  return without === text ? text : outside(without);
}

const server = new Server();
const shown: Widget[] = [];

function show<T extends Widget>(widget: T): T {
  shown.push(widget);
  Widget.attach(widget, document.body);
  return widget;
}

function model(): PanelModel {
  const made = new PanelModel(server.api, SECTIONS);
  made.shown = true;
  return made;
}

function panelOf(panel: PanelModel): MlopsPanel {
  const open = { page: () => {}, file: () => {} };
  return show(
    new MlopsPanel({ model: panel, sections: SECTIONS, open, translator })
  );
}

afterEach(() => shown.splice(0).forEach(widget => widget.dispose()));

describe('every text is translated', () => {
  it('in a panel that is loading, and in an empty one', async () => {
    const panel = model();
    const { node } = panelOf(panel);
    await until(() => node.textContent?.includes('⟦Loading …⟧'));
    expect(untranslated(node)).toEqual([]);
    await panel.follow('1');
    await until(() => node.textContent?.includes('⟦No runs yet.'));
    expect(untranslated(node)).toEqual([]);
  });

  it('in a full panel, and in what it tells screen readers', async () => {
    server.answers = {
      ...ANSWERS,
      runs: [RUN, { ...RUN, run_id: '1', parent: RUN.run_id }],
      status: { ...PROJECT, trusted: false }
    };
    const panel = model();
    const widget = panelOf(panel);
    await panel.follow('1');
    panel.tell({ noun: 'run', name: '№ 3', action: 'finished' });
    await until(() => widget.node.querySelector('.jp-Mlops-fold'));
    await until(() => widget.node.textContent?.includes('⟦finished⟧'));
    expect(untranslated(widget.node)).toEqual([]);
    expect(widget.title.caption).toMatch(/^⟦.*⟧$/);
    widget.widgets.forEach(section =>
      expect(section.title.label).toMatch(/^⟦.*⟧ \(\d\)$/)
    );
  });

  it('on every page', async () => {
    server.answers = { ...ANSWERS };
    const panel = model();
    for (const page of PAGES) {
      const run = page.noun === 'run' ? RUN.run_id : CHECK.run_id;
      const shownModel = new PageModel(page, panel, run, '1');
      const { node } = show(page.create(shownModel, trans));
      await until(() => node.textContent?.includes('⟦Loading …⟧'));
      await shownModel.refresh();
      await until(() => node.querySelector('table'));
      expect(untranslated(node)).toEqual([]);
      expect(page.label(trans)).toMatch(/^⟦.*⟧$/);
    }
    panel.dispose();
  });

  it('in a drift report in a notebook, its columns opened', async () => {
    const output = show(
      mime.rendererFactory.createRenderer({ translator } as never)
    );
    await output.renderModel({ data: { [DRIFT_MIME]: REPORT } } as never);
    for (let at = 0; at < REPORT.columns.length; at++) {
      const columns = output.node.querySelectorAll<HTMLElement>(
        '.jp-Mlops-column button'
      );
      columns[at].click();
      await until(() => output.node.querySelector('.jp-Mlops-columnDetails'));
      expect(untranslated(output.node)).toEqual([]);
    }
  });

  it('in the place of a report of another version', async () => {
    const output = show(
      mime.rendererFactory.createRenderer({ translator } as never)
    );
    await output.renderModel({ data: { [DRIFT_MIME]: {} } } as never);
    expect(output.node.textContent).toContain('another version');
    expect(untranslated(output.node)).toEqual([]);
  });
});

describe('a word of the server', () => {
  it('is translated when it is known, and stays as it is when not', () => {
    expect(word(trans, 'not in cache')).toBe('⟦not in cache⟧');
    expect(word(trans, 'levitating')).toBe('levitating');
    expect(word(trans, 'constructor')).toBe('constructor');
  });
});
