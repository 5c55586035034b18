import type { TranslationBundle } from '@jupyterlab/translation';
import { VDomModel, VDomRenderer } from '@jupyterlab/ui-components';
import * as React from 'react';

import { failureOf, MlopsApi } from '../api';
import type { News, PanelModel } from '../model';
import { FailureNote } from '../parts';
import { Translation } from '../translation';
import type { Failure } from '../types.gen';

/** What a kind of page is made of: the noun it shows, its command's label, its widget. */
export interface IPage<T = unknown> {
  /** The noun, as the server's events name it. */
  readonly noun: string;

  /** The label of the command that opens it. */
  label(trans: TranslationBundle): string;

  /** Fetch what one page shows. */
  fetch(api: MlopsApi, folder: string, run: string): Promise<T>;

  create(model: PageModel<T>, trans: TranslationBundle): Page<T>;
}

/** What one page shows; fetched again when the server tells that its noun changed. */
export class PageModel<T> extends VDomModel {
  constructor(
    private readonly page: IPage<T>,
    private readonly panel: PanelModel,
    readonly run: string,
    readonly folder: string
  ) {
    super();
    panel.told.connect(this.onTold, this);
    panel.projectChanged.connect(this.onProjectChanged, this);
  }

  /** What was fetched last; null before the first answer. */
  item: T | null = null;

  /** Why the last fetch failed; null when it did not. */
  failure: Failure | null = null;

  /** Fetch again; of overlapping calls only the latest one's answer counts. */
  async refresh(): Promise<void> {
    const turn = ++this.turn;
    let item = this.item;
    let failure: Failure | null = null;
    try {
      item = await this.page.fetch(this.panel.api, this.folder, this.run);
    } catch (reason) {
      failure = failureOf(reason);
    }
    if (turn === this.turn && !this.isDisposed) {
      this.item = item;
      this.failure = failure;
      this.stateChanged.emit();
    }
  }

  private onTold(_: PanelModel, news: News): void {
    if (news.noun === this.page.noun) {
      void this.refresh();
    }
  }

  private onProjectChanged(): void {
    void this.refresh();
  }

  private turn = 0;
}

/** A main-area page that shows one thing; its model is disposed with it. */
export abstract class Page<T> extends VDomRenderer<PageModel<T>> {
  constructor(
    model: PageModel<T>,
    protected readonly trans: TranslationBundle
  ) {
    super(model);
    this.addClass('jp-Mlops-page');
    this.node.tabIndex = 0;
    this.title.label = model.run.slice(0, 8);
    model.stateChanged.connect(this.onModelChanged, this);
  }

  dispose(): void {
    const model = this.model;
    super.dispose();
    model?.dispose();
  }

  /** What the tab is called. */
  protected abstract name(item: T): string;

  /** The whole page. */
  protected abstract page(item: T): JSX.Element;

  protected render(): JSX.Element {
    const { item, failure } = this.model;
    return (
      <Translation.Provider value={this.trans}>
        {failure && <FailureNote failure={failure} />}
        {!failure && !item && <p>{this.trans.__('Loading …')}</p>}
        {item && this.page(item)}
      </Translation.Provider>
    );
  }

  private onModelChanged(model: PageModel<T>): void {
    if (model.item && !model.failure) {
      this.title.label = this.name(model.item);
    }
  }
}
