// The screens of the navigation, in order of value.
import type { IconName } from './parts/icons';

export interface Screen {
  href: string;
  title: string;
  icon: IconName;
  /** After `g`. */
  key: string;
}

export const SCREENS: Screen[] = [
  { href: '/', title: 'Overview', icon: 'overview', key: 'o' },
  { href: '/jobs', title: 'Jobs', icon: 'jobs', key: 'j' },
  { href: '/tasks', title: 'Tasks', icon: 'tasks', key: 't' },
  { href: '/dead-letters', title: 'Dead letters', icon: 'dead', key: 'd' },
  { href: '/schedules', title: 'Schedules', icon: 'schedules', key: 's' },
  { href: '/queues', title: 'Queues', icon: 'queues', key: 'q' },
  { href: '/workers', title: 'Workers', icon: 'workers', key: 'w' },
  { href: '/cluster', title: 'Cluster', icon: 'cluster', key: 'c' },
  { href: '/definitions', title: 'Definitions', icon: 'definitions', key: 'f' },
  { href: '/profiles', title: 'Profiles', icon: 'profiles', key: 'p' },
  { href: '/events', title: 'Events', icon: 'events', key: 'e' },
  { href: '/audit', title: 'Audit', icon: 'audit', key: 'a' },
];
