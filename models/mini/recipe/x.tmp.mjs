import { createStage } from './dist/stages.js'; import { ParameterSet } from '@sightline/contrastive'; import { exportMini } from './dist/export-mini.js';
const st=await createStage({stage:'chat',folder:'/work/dry',steps:10});
const ps=new ParameterSet(new Map([...st.training.parameters].map(([n,t])=>[n,t.shape.map(Number)])));
await st.initialise(ps); await exportMini(ps,'/work/dry','/tmp/mini-test'); console.log(ps.values.length);
