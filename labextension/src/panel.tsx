import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { SidePanel, VDomRenderer } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { AccordionPanel } from '@lumino/widgets';
import * as React from 'react';

import { mlopsIcon } from './icons';
import type { PanelModel } from './model';
import { FailureNote } from './parts';
import type { IOpeners, ISection } from './sections/section';
import { DOMAIN, Translation } from './translation';
import { TrustNote } from './trust';
import { word } from './words';

/** The side panel: which project, and a section for each noun, live. Its model is disposed with it. */
export class MlopsPanel extends SidePanel {
  constructor(options: MlopsPanel.IOptions) {
    const { model, sections, open, translator } = options;
    super({ translator });
    const trans = translator.load(DOMAIN);
    this.model = model;
    this.id = 'jp-mlops-panel';
    this.addClass('jp-Mlops-panel');
    this.title.icon = mlopsIcon;
    this.title.caption = trans.__(
      'MLOps: %1',
      sections.map(section => section.label(trans)).join(', ')
    );
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('MLOps'));
    this.toolbar.node.setAttribute('aria-label', trans.__('MLOps'));

    this.header.addWidget(new ProjectHeader(model, trans));
    for (const section of sections) {
      const list = model.lists.get(section.noun)!;
      this.addWidget(
        section.create({ section, list, panel: model, open, trans })
      );
      list.stateChanged.connect(this.arrange, this);
    }
    this.content.hide();
    model.projectChanged.connect(this.onProjectChanged, this);
    this.accordion.handleMoved.connect(this.onHandleMoved, this);
  }

  dispose(): void {
    super.dispose();
    this.model.dispose();
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.model.shown = true;
  }

  protected onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this.model.shown = false;
  }

  protected onBeforeDetach(msg: Message): void {
    super.onBeforeDetach(msg);
    this.model.shown = false;
  }

  private get accordion(): AccordionPanel {
    return this.content as AccordionPanel;
  }

  private onProjectChanged(): void {
    this.content.setHidden(!this.model.project);
  }

  private onHandleMoved(): void {
    this.arranged = true;
  }

  /** Give longer lists more of the height, until the user arranges the sections. */
  private arrange(): void {
    const folded = this.widgets.some(section => section.isHidden);
    if (!this.arranged && !folded && this.isVisible) {
      this.accordion.setRelativeSizes(
        [...this.model.lists.values()].map(list =>
          Math.min(Math.max(list.items?.length ?? 0, 2.6), 6)
        )
      );
    }
  }

  private readonly model: PanelModel;
  private arranged = false;
}

export namespace MlopsPanel {
  export interface IOptions {
    model: PanelModel;
    /** The sections in their order; the model has a list for each. */
    sections: ReadonlyArray<ISection>;
    open: IOpeners;
    translator: ITranslator;
  }
}

/** The project's name and folder, or how to make one; tells screen readers what changed. */
class ProjectHeader extends VDomRenderer<PanelModel> {
  constructor(
    model: PanelModel,
    private readonly trans: TranslationBundle
  ) {
    super(model);
    this.addClass('jp-Mlops-header');
  }

  protected render(): JSX.Element {
    const { project, failure, news } = this.model;
    const trans = this.trans;
    return (
      <Translation.Provider value={trans}>
        {project && (
          <>
            <div className="jp-Mlops-projectName">{project.name}</div>
            <div className="jp-Mlops-projectPath" title={project.path || '/'}>
              {[project.path && `/${project.path}`, project.experiment]
                .filter(part => part && part !== project.name)
                .join(' · ')}
            </div>
          </>
        )}
        {project && !project.trusted && (
          <TrustNote project={project} trust={() => this.model.trust()} />
        )}
        {failure && <FailureNote failure={failure} />}
        {!project && !failure && (
          <div className="jp-Mlops-note">{trans.__('Loading …')}</div>
        )}
        <div className="jp-Mlops-spoken" role="status" aria-live="polite">
          {news &&
            trans.__(
              '%1 %2 %3',
              word(trans, news.noun),
              news.name,
              word(trans, news.action)
            )}
        </div>
      </Translation.Provider>
    );
  }
}
