// A question to a person that a job waits for: yes or no, with a comment that is kept.
import { useState } from 'react';
import { answer } from '../actions';
import type { Task } from '../api/types';
import { AskButton } from './dialog';

/** Whether a task waits for somebody's answer, rather than for another job or after a lost worker. */
export function isQuestion(task: Task): boolean {
  return task.status === 'waiting' && !task.held && !task.evaluating && !task.childJobId && !task.instances;
}

export function Answers({ task, after, tiny }: { task: Task; after: () => void; tiny?: boolean }) {
  const [comment, setComment] = useState('');
  const { taskId, jobId } = task;
  const field = (
    <label className="field">
      <span>Comment, kept with the task</span>
      <input value={comment} maxLength={4_096} placeholder="none" onChange={(event) => setComment(event.target.value)} />
    </label>
  );
  return (
    <>
      <AskButton tiny={tiny} first action={answer(taskId, jobId, true, comment.trim(), after)}>{field}</AskButton>
      <AskButton tiny={tiny} action={answer(taskId, jobId, false, comment.trim(), after)}>{field}</AskButton>
    </>
  );
}
