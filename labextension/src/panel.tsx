import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, SidePanel } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { AccordionPanel } from '@lumino/widgets';
import * as React from 'react';

import { mlopsIcon } from './icons';
import { NOUNS, PanelModel } from './model';
import { FailureNote } from './parts';
import { DataSection } from './sections/data';
import { DriftSection } from './sections/drift';
import { JobsSection } from './sections/jobs';
import { RunsSection } from './sections/runs';
import type { IOpeners } from './sections/section';
import { ServicesSection } from './sections/services';
import { TrustNote } from './trust';

/** The side panel: which project, and its five nouns, live. */
export class MlopsPanel extends SidePanel {
  constructor(
    model: PanelModel,
    open: IOpeners,
    trans: TranslationBundle,
    private readonly onShown: (shown: boolean) => void
  ) {
    super();
    this.id = 'jp-mlops-panel';
    this.addClass('jp-Mlops-panel');
    this.title.icon = mlopsIcon;
    this.title.caption = trans.__('MLOps: runs, data, jobs, services, drift');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('MLOps'));
    this.toolbar.node.setAttribute('aria-label', trans.__('MLOps'));

    this.header.addWidget(new ProjectHeader(model, trans));
    const sections = [
      new RunsSection('runs', trans.__('Runs'), model.run, open, trans),
      new DataSection('data', trans.__('Data'), model.data, open, trans),
      new JobsSection('jobs', trans.__('Jobs'), model.job, open, trans),
      new ServicesSection(
        'services',
        trans.__('Services'),
        model.service,
        open,
        trans
      ),
      new DriftSection('drift', trans.__('Drift'), model.drift, open, trans)
    ];
    sections.forEach(section => this.addWidget(section));
    this.content.hide();
    model.projectChanged.connect(() => this.content.setHidden(!model.project));
    this.accordion.handleMoved.connect(() => {
      this.arranged = true;
    });
    NOUNS.forEach(noun =>
      model[noun].changed.connect(() => this.arrange(model))
    );
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.onShown(true);
  }

  protected onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this.onShown(false);
  }

  private get accordion(): AccordionPanel {
    return this.content as AccordionPanel;
  }

  /** Give longer lists more of the height, until the user arranges the sections. */
  private arrange(model: PanelModel): void {
    const folded = this.widgets.some(section => section.isHidden);
    if (!this.arranged && !folded && this.isVisible) {
      this.accordion.setRelativeSizes(
        NOUNS.map(noun =>
          Math.min(Math.max(model[noun].items?.length ?? 0, 2.6), 6)
        )
      );
    }
  }

  private arranged = false;
}

/** The project's name and folder, or how to make one; tells screen readers what changed. */
class ProjectHeader extends ReactWidget {
  constructor(
    private readonly model: PanelModel,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Mlops-header');
    model.projectChanged.connect(() => this.update());
    model.told.connect((_, change) => {
      this.news = [change.noun, change.name, change.action].join(' ');
      this.update();
    });
  }

  protected render(): JSX.Element {
    const { project, failure } = this.model;
    return (
      <>
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
          <TrustNote
            project={project}
            trust={() => this.model.trust()}
            trans={this.trans}
          />
        )}
        {failure && <FailureNote failure={failure} />}
        {!project && !failure && (
          <div className="jp-Mlops-note">{this.trans.__('Loading …')}</div>
        )}
        <div className="jp-Mlops-spoken" role="status" aria-live="polite">
          {this.news}
        </div>
      </>
    );
  }

  private news = '';
}
