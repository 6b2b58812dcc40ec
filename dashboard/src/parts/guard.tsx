// A screen that fails says so, and leaves the rest of the page alone.
import { Component, type ReactNode } from 'react';
import { Note } from './basics';

export class Guard extends Component<{ children: ReactNode }, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Note tone="red" icon="failed">
        This screen failed: {error.message}. <button type="button" className="button tiny" onClick={() => location.reload()}>Load it again</button>
      </Note>
    );
  }
}
