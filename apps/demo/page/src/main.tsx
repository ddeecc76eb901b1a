import { render } from "preact";
import { App } from "./app";
import { askForModels } from "./chat/models-of-server";
import { underWay } from "./chat/replies";
import { followAddress, followHistory } from "./conversation/history";
import { followTheme } from "./settings/theme";
import { followRoom } from "./shell/panels";
import "./styles/index.css";

followTheme();
followAddress();
followRoom();
void followHistory((conversation) => underWay.get().has(conversation));
void askForModels();

const place = document.querySelector("#page");
if (place) render(<App />, place);
