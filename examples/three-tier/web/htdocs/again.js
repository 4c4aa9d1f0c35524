// Asks again without loading the page again. Without JavaScript the link just loads the page.
document.getElementById("again").addEventListener("click", async (event) => {
  event.preventDefault();
  const answer = document.getElementById("answer");
  const response = await fetch("/api/sentence");
  if (response.ok) answer.innerHTML = await response.text();
  else answer.textContent = "The API service does not answer.";
});
