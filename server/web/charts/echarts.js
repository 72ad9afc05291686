//! The parts of Apache ECharts that the page draws with, and what reads TopoJSON; all else stays out
//! of the bundle.

import { BarChart, LineChart, MapChart, PieChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { init, registerMap, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

use([
  BarChart, LineChart, MapChart, PieChart,
  GridComponent, TooltipComponent, CanvasRenderer,
]);

export { feature } from 'topojson-client';
export { init, registerMap };
