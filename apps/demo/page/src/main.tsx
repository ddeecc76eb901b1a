import { render } from "preact";
import { App } from "./app";
import { askForModels } from "./chat/models-of-server";
import { followAddress, readHistory } from "./conversation/history";
import { followTheme } from "./settings/theme";
import { followRoom } from "./shell/panels";
import "./styles/index.css";

followTheme();
followAddress();
followRoom();
void readHistory();
void askForModels();

const place = document.querySelector("#page");
if (place) render(<App />, place);
