//! The parts of Apache ECharts that the page draws with; the others stay out of the bundle.

import { BarChart, LineChart, MapChart, PieChart } from 'echarts/charts';
import { AriaComponent, DataZoomInsideComponent, GridComponent, TooltipComponent } from 'echarts/components';
import { init, registerMap, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

use([
  BarChart, LineChart, MapChart, PieChart,
  AriaComponent, DataZoomInsideComponent, GridComponent, TooltipComponent, CanvasRenderer,
]);

export { init, registerMap };
