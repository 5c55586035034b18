import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { DriftPage } from './details/drift';
import type { Page } from './details/page';
import { RunPage } from './details/run';
import { mlopsIcon } from './icons';
import type { PanelModel } from './model';

export namespace CommandIDs {
  export const showPanel = 'mlops:show-panel';
  export const refresh = 'mlops:refresh';
  export const openRun = 'mlops:open-run';
  export const openDrift = 'mlops:open-drift';
}

const NO_ARGUMENTS = { args: { type: 'object', properties: {} } };
const PAGE_ARGUMENTS = {
  args: {
    type: 'object',
    required: ['run', 'folder'],
    properties: {
      run: { type: 'string', description: 'The run’s id' },
      folder: {
        type: 'string',
        description: 'A folder of its project, as the file browser shows it'
      }
    }
  }
};

/** Register the commands, and restore the pages that were open. */
export function addCommands(
  app: JupyterFrontEnd,
  model: PanelModel,
  panelId: string,
  restorer: ILayoutRestorer | null,
  trans: TranslationBundle
): void {
  const { commands, shell } = app;
  commands.addCommand(CommandIDs.showPanel, {
    label: trans.__('Show MLOps Panel'),
    icon: mlopsIcon,
    describedBy: NO_ARGUMENTS,
    execute: () => shell.activateById(panelId)
  });
  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Refresh MLOps Panel'),
    caption: trans.__('Refresh'),
    icon: refreshIcon,
    describedBy: NO_ARGUMENTS,
    execute: () => model.refresh()
  });
  addPage(app, restorer, CommandIDs.openRun, 'run', {
    label: trans.__('Open Run'),
    model,
    noun: 'run',
    make: (run, folder) => new RunPage(() => model.api.run(folder, run), trans)
  });
  addPage(app, restorer, CommandIDs.openDrift, 'drift', {
    label: trans.__('Open Drift Check'),
    model,
    noun: 'drift',
    make: (run, folder) =>
      new DriftPage(() => model.api.drift(folder, run), trans)
  });
}

interface IPageKind {
  label: string;
  model: PanelModel;
  noun: 'run' | 'drift';
  make: (run: string, folder: string) => Page<unknown>;
}

function addPage(
  app: JupyterFrontEnd,
  restorer: ILayoutRestorer | null,
  command: string,
  namespace: string,
  kind: IPageKind
): void {
  const tracker = new WidgetTracker<MainAreaWidget<Page<unknown>>>({
    namespace: `mlops-${namespace}`
  });
  const opened = new Map<string, ReadonlyPartialJSONObject>();
  app.commands.addCommand(command, {
    label: kind.label,
    icon: mlopsIcon,
    describedBy: PAGE_ARGUMENTS,
    execute: async args => {
      const run = args.run as string;
      const folder = (args.folder ?? '') as string;
      const id = `jp-mlops-${namespace}-${run}`;
      let widget = tracker.find(candidate => candidate.id === id);
      if (!widget) {
        const page = kind.make(run, folder);
        widget = new MainAreaWidget({ content: page });
        widget.id = id;
        widget.title.label = run.slice(0, 8);
        widget.title.icon = mlopsIcon;
        opened.set(id, { run, folder });
        const onTold = (_: PanelModel, change: { noun: string }) => {
          if (change.noun === kind.noun) {
            void page.refresh();
          }
        };
        const onLook = () => void page.refresh();
        kind.model.told.connect(onTold);
        kind.model.projectChanged.connect(onLook);
        widget.disposed.connect(() => {
          kind.model.told.disconnect(onTold);
          kind.model.projectChanged.disconnect(onLook);
          opened.delete(id);
        });
        page.title.changed.connect(() => {
          if (widget) {
            widget.title.label = page.title.label;
          }
        });
        void page.refresh();
        await tracker.add(widget);
      }
      if (!widget.isAttached) {
        app.shell.add(widget, 'main');
      }
      app.shell.activateById(widget.id);
    }
  });
  if (restorer) {
    void restorer.restore(tracker, {
      command,
      name: widget => widget.id,
      args: widget => opened.get(widget.id) ?? {}
    });
  }
}
