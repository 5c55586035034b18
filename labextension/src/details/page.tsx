import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { failureOf } from '../api';
import { FailureNote } from '../parts';
import type { Failure } from '../types.gen';

/** A main-area page that fetches one thing and shows it. */
export abstract class Page<T> extends ReactWidget {
  constructor(
    private readonly fetch: () => Promise<T>,
    protected readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Mlops-page');
    this.node.tabIndex = 0;
  }

  /** Fetch again and show the answer. */
  async refresh(): Promise<void> {
    try {
      this.item = await this.fetch();
      this.failure = null;
      this.title.label = this.name(this.item);
    } catch (reason) {
      this.failure = failureOf(reason);
    }
    this.update();
  }

  /** What the tab is called. */
  protected abstract name(item: T): string;

  /** The whole page. */
  protected abstract page(item: T): JSX.Element;

  protected render(): JSX.Element {
    return (
      <>
        {this.failure && <FailureNote failure={this.failure} />}
        {!this.failure && !this.item && <p>{this.trans.__('Loading …')}</p>}
        {this.item && this.page(this.item)}
      </>
    );
  }

  private item: T | null = null;
  private failure: Failure | null = null;
}
