// The dashboard's entry.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { start } from './live/live';
import { applyTheme } from './prefs';
import './style/tokens.css';
import './style/base.css';
import './style/parts.css';
import './style/screens.css';

applyTheme();
start();
const root = document.getElementById('root');
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
