import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';
import { DisposableSet, IDisposable } from '@lumino/disposable';

import { PAGES } from './details';
import { IPage, Page, PageModel } from './details/page';
import { mlopsIcon } from './icons';
import type { PanelModel } from './model';

export namespace CommandIDs {
  export const showPanel = 'mlops:show-panel';
  export const refresh = 'mlops:refresh';

  /** The command that opens a noun's page. */
  export function openPage(noun: string): string {
    return `mlops:open-${noun}`;
  }
}

const NO_ARGUMENTS = { args: { type: 'object', properties: {} } };

/** Register the commands, and restore the pages that were open. */
export function addCommands(
  app: Pick<JupyterFrontEnd, 'commands' | 'shell'>,
  model: PanelModel,
  panelId: string,
  restorer: ILayoutRestorer | null,
  trans: TranslationBundle
): IDisposable {
  const { commands, shell } = app;
  return DisposableSet.from([
    commands.addCommand(CommandIDs.showPanel, {
      label: trans.__('Show MLOps Panel'),
      icon: mlopsIcon,
      describedBy: NO_ARGUMENTS,
      execute: () => shell.activateById(panelId)
    }),
    commands.addCommand(CommandIDs.refresh, {
      label: trans.__('Refresh MLOps Panel'),
      caption: trans.__('Refresh'),
      icon: refreshIcon,
      describedBy: NO_ARGUMENTS,
      execute: () => model.refresh()
    }),
    ...PAGES.flatMap(page => addPage(app, model, page, restorer, trans))
  ]);
}

function addPage(
  app: Pick<JupyterFrontEnd, 'commands' | 'shell'>,
  model: PanelModel,
  page: IPage,
  restorer: ILayoutRestorer | null,
  trans: TranslationBundle
): IDisposable[] {
  const tracker = new WidgetTracker<MainAreaWidget<Page<unknown>>>({
    namespace: `mlops-${page.noun}`
  });
  const command = CommandIDs.openPage(page.noun);
  const added = app.commands.addCommand(command, {
    label: page.label(trans),
    icon: mlopsIcon,
    describedBy: pageArguments(trans),
    execute: async args => {
      const run = args.run as string;
      const folder = (args.folder ?? '') as string;
      const id = `jp-mlops-${page.noun}-${run}`;
      let widget = tracker.find(candidate => candidate.id === id);
      if (!widget) {
        const shown = new PageModel(page, model, run, folder);
        const content = page.create(shown, trans);
        content.title.icon = mlopsIcon;
        widget = new MainAreaWidget({ content });
        widget.id = id;
        void shown.refresh();
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
      args: ({ content }) => ({
        run: content.model.run,
        folder: content.model.folder
      })
    });
  }
  return [added, tracker];
}

function pageArguments(trans: TranslationBundle) {
  return {
    args: {
      type: 'object',
      required: ['run', 'folder'],
      properties: {
        run: { type: 'string', description: trans.__('The run’s id') },
        folder: {
          type: 'string',
          description: trans.__(
            'A folder of its project, as the file browser shows it'
          )
        }
      }
    }
  };
}
