// Icons, drawn on a grid of 16. Those of states differ in shape, not only in colour.
import type { ReactNode, SVGProps } from 'react';

const shapes = {
  pending: <circle cx="8" cy="8" r="5.5" strokeDasharray="2.4 2.4" />,
  scheduled: <><circle cx="8" cy="8" r="5.5" /><path d="M8 5v3l2 1.500" /></>,
  waiting: <><path d="M4.500 2.500h7M4.500 13.500h7M5.500 2.500c0 4 5 4 5 5.500s-5 1.500-5 5.500M10.500 2.500c0 4-5 4-5 5.500s5 1.500 5 5.500" /></>,
  ready: <circle cx="8" cy="8" r="5.5" />,
  running: <><circle cx="8" cy="8" r="5.5" opacity="0.3" /><path d="M8 2.500a5.500 5.500 0 0 1 5.500 5.500" strokeWidth="2" /></>,
  completed: <><circle cx="8" cy="8" r="5.5" /><path d="m5.500 8.200 1.800 1.800 3.300-3.800" /></>,
  failed: <><path d="M5.700 2.500h4.600l3.200 3.200v4.600l-3.200 3.200H5.700l-3.200-3.200V5.700z" /><path d="m6.200 6.200 3.600 3.600M9.800 6.200 6.200 9.800" /></>,
  cancelled: <><circle cx="8" cy="8" r="5.5" /><path d="m4.200 4.200 7.600 7.600" /></>,
  skipped: <path d="m3 4 4 4-4 4M9 4l4 4-4 4" />,
  paused: <><circle cx="8" cy="8" r="5.5" /><path d="M6.700 6v4M9.300 6v4" /></>,
  lost: <><path d="M8 2.500 14 13H2z" /><path d="M8 6.500v3M8 11.300v.2" /></>,
  overview: <><path d="M2.500 9.500 6 6l3 3 4.500-5" /><path d="M2.500 13.500h11" /></>,
  jobs: <><rect x="2" y="6" width="4" height="4" rx="1" /><rect x="10" y="2.500" width="4" height="4" rx="1" /><rect x="10" y="9.500" width="4" height="4" rx="1" /><path d="M6 8h2V4.500h2M8 8v3.500h2" /></>,
  tasks: <><path d="M6.500 4h7M6.500 8h7M6.500 12h7" /><path d="m2 4 .8.800L4.200 3.200M2 8l.8.800 1.400-1.600M2 12l.8.800 1.400-1.600" /></>,
  dead: <><path d="M2.500 4h11v8.500h-11z" /><path d="m2.500 4.500 5.500 4 5.500-4" /></>,
  schedules: <><rect x="2.500" y="3.500" width="11" height="10" rx="1" /><path d="M2.500 6.500h11M5.500 1.800v3M10.500 1.800v3M8 8.200v2.300h2" /></>,
  queues: <path d="M2.500 4h11M2.500 8h8M2.500 12h5" />,
  workers: <><rect x="2.500" y="3" width="11" height="4" rx="1" /><rect x="2.500" y="9" width="11" height="4" rx="1" /><path d="M5 5h.010M5 11h.010" /></>,
  cluster: <><circle cx="8" cy="3.500" r="1.800" /><circle cx="3.500" cy="12" r="1.800" /><circle cx="12.500" cy="12" r="1.800" /><path d="M7.200 5.200 4.300 10.400M8.800 5.200l2.900 5.200M5.300 12h5.400" /></>,
  definitions: <path d="M5.500 3 2 8l3.500 5M10.500 3 14 8l-3.500 5" />,
  profiles: <><path d="M3 4.500h4M11 4.500h2M3 8h1.500M8.500 8H13M3 11.500h5M12 11.500h1" /><circle cx="9" cy="4.500" r="1.700" /><circle cx="6.500" cy="8" r="1.700" /><circle cx="10" cy="11.500" r="1.700" /></>,
  events: <path d="M9 1.500 3.500 9H8l-1 5.500L12.500 7H8z" />,
  audit: <><path d="M4 1.500h6l3 3V14.500H4z" /><path d="M6.500 7.500h4M6.500 10.500h4" /></>,
  search: <><circle cx="7" cy="7" r="4.200" /><path d="m10.200 10.200 3.300 3.300" /></>,
  copy: <><rect x="5.500" y="5.500" width="8" height="8" rx="1.500" /><path d="M10.500 5.500v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" /></>,
  check: <path d="m3 8.500 3.300 3.300L13 4.500" />,
  close: <path d="m4 4 8 8M12 4l-8 8" />,
  sun: <><circle cx="8" cy="8" r="2.800" /><path d="M8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M3.400 12.600l1-1M11.600 4.400l1-1" /></>,
  moon: <path d="M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z" />,
  help: <><circle cx="8" cy="8" r="5.500" /><path d="M6.400 6.400a1.700 1.700 0 1 1 2.300 1.900c-.500.300-.700.500-.700 1M8 11.300v.1" /></>,
  fit: <path d="M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10" />,
  plus: <path d="M8 3v10M3 8h10" />,
  minus: <path d="M3 8h10" />,
  down: <path d="M8 3v9M4 8.500 8 12.500l4-4" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof shapes;

export function Icon({ name, ...rest }: { name: IconName } & SVGProps<SVGSVGElement>) {
  return (
    <svg
      className="icon"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.400"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      {...rest}
    >
      {shapes[name]}
    </svg>
  );
}
